from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ClassifierConfig(AppConfig):
    name = "classifier"
    verbose_name = _("Classifier")

    def ready(self) -> None:
        from classifier import checks  # noqa: F401  registers the system checks
        from classifier.languages import speak_the_active_language
        from reviewsite import safety  # noqa: F401  registers its own

        speak_the_active_language()
