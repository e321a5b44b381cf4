// The smallest useful function on Node.js: greets whom the event names, and logs that it did.

export const handler = async (event, context) => {
  const name = event.name ?? "world";
  console.log(`greeting ${name}, ${context.getRemainingTimeInMillis()} ms left`);
  return { message: `Hello, ${name}!`, node: process.version, request_id: context.awsRequestId };
};
