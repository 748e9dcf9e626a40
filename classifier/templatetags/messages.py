"""Messages in templates."""

from django import template

from classifier.messages import told

register = template.Library()
register.filter("told", told)
