"""The topics, subscriptions and schemas that the option ``--setup`` creates at the start."""
