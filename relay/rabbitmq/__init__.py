"""RabbitMQ: receives and settles messages, and declares the queues."""
