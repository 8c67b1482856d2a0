"""The screens of the operator's page. Each module has the routes of one screen."""
