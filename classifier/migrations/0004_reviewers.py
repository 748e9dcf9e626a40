"""A group with the rights that reviewing needs, and no more."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

REVIEWERS = "Reviewers"
RIGHTS = [
    # To change a prediction is to give it a verdict: its own fields cannot be written.
    "view_prediction", "change_prediction",
    "view_verdict", "add_verdict", "change_verdict", "delete_verdict",
    "view_feedback", "view_modelversion",
]


def create_reviewers(apps, schema_editor):
    using = schema_editor.connection.alias
    # Permissions are made after the last migration otherwise.
    create_permissions(installed.get_app_config("classifier"), verbosity=0, using=using, apps=apps)
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    group, created = Group.objects.using(using).get_or_create(name=REVIEWERS)
    if created:
        group.permissions.set(
            Permission.objects.using(using).filter(
                content_type__app_label="classifier", codename__in=RIGHTS
            )
        )


def forget_reviewers(apps, schema_editor):
    apps.get_model("auth", "Group").objects.using(schema_editor.connection.alias).filter(
        name=REVIEWERS
    ).delete()


class Migration(migrations.Migration):

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("classifier", "0003_review_queue"),
    ]

    operations = [migrations.RunPython(create_reviewers, forget_reviewers)]
