// Publishes, receives and acknowledges messages with the Node client; prints the received messages as a line of JSON.
// Usage: PUBSUB_EMULATOR_HOST=HOST:PORT node publish_and_receive.mjs PROJECT TOPIC SUBSCRIPTION ORDERED|PLAIN
import { PubSub } from '@google-cloud/pubsub';

const [projectId, topicName, subscriptionName, ordered] = process.argv.slice(2);
const pubsub = new PubSub({ projectId });
const messageOrdering = ordered === 'ORDERED';

const [topic] = await pubsub.createTopic(topicName);
const [subscription] = await topic.createSubscription(subscriptionName, {
  ackDeadlineSeconds: 20,
  enableMessageOrdering: messageOrdering,
});
const publisher = pubsub.topic(topicName, { messageOrdering: true });
const published = [];
for (const text of ['one', 'two', 'three']) {
  published.push(
    await publisher.publishMessage({
      data: Buffer.from(text),
      attributes: { text },
      orderingKey: 'key',
    }),
  );
}

const received = [];
await new Promise((resolve, reject) => {
  subscription.on('error', reject);
  subscription.on('message', (message) => {
    received.push({
      id: message.id,
      data: message.data.toString(),
      attributes: message.attributes,
      orderingKey: message.orderingKey,
    });
    message.ack();
    if (received.length === published.length) resolve();
  });
});
await subscription.close(); // waits until the acks are sent
const [metadata] = await subscription.getMetadata();
let secondCreate = 'created twice';
try {
  await pubsub.createTopic(topicName);
} catch (error) {
  secondCreate = error.code; // 6 is ALREADY_EXISTS
}
await pubsub.close();
console.log(
  JSON.stringify({ published, received, ackDeadlineSeconds: metadata.ackDeadlineSeconds, secondCreate }),
);
