// Publishes a message to an open stream, and seeks back to before it twice, to a snapshot and to its publish time.
// Prints how often the message was received as a line of JSON.
// Usage: PUBSUB_EMULATOR_HOST=HOST:PORT node seek.mjs PROJECT TOPIC SUBSCRIPTION
import { PubSub } from '@google-cloud/pubsub';

const [projectId, topicName, subscriptionName] = process.argv.slice(2);
const pubsub = new PubSub({ projectId });
const [topic] = await pubsub.createTopic(topicName);
const [subscription] = await topic.createSubscription(subscriptionName);
const [snapshot] = await subscription.snapshot(`${subscriptionName}-snapshot`).create();

const received = [];
let arrived = () => {};
subscription.on('message', (message) => {
  received.push(message.id);
  message.ackWithResponse().then(() => arrived(message));
});
const nextMessage = () => new Promise((resolve) => (arrived = resolve));

const first = nextMessage();
const id = await topic.publishMessage({ data: Buffer.from('x') });
const { publishTime } = await first;

const afterSnapshot = nextMessage();
await snapshot.seek();
await afterSnapshot;

const afterTime = nextMessage();
await subscription.seek(publishTime);
await afterTime;

await subscription.close();
await snapshot.delete();
await pubsub.close();
console.log(JSON.stringify({ received: received.map((each) => each === id) }));
