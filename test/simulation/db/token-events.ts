export const insertTokenEvent = async (): Promise<void> => {};
export const wasRefusedBefore = async (): Promise<boolean> => false;
