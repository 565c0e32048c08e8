// CommonJS because the SDK loads it by path, in our processes and into the workflow bundle alike.
// Messages and stacks of failures go through the payload codec instead of standing in clear in the histories.
const { DefaultFailureConverter } = require('@temporalio/common');

exports.failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
