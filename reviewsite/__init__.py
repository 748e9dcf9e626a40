"""The Django project: settings, routes, processes and health."""
