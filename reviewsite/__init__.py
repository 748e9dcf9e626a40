"""The Django project: settings, routes, processes and health."""

from reviewsite.celery import app as celery_app

__all__ = ["celery_app"]
