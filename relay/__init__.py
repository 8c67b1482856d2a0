"""Takes messages of a broker other than Pub/Sub, and delivers them to the worker as the pushes of Pub/Sub."""
