export { registerNamespace } from '../../testing/namespace.ts';
