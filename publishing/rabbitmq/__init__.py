"""Publishes to RabbitMQ with publisher confirms: the only code of the services that knows RabbitMQ."""
