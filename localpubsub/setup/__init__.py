"""Creates the topics, subscriptions and schemas of the option ``--setup`` at the start of the server."""
