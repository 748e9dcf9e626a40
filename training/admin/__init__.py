"""Training runs in Django's admin: started, watched, stopped and read there."""

from training.admin.runs import TrainingRunAdmin

__all__ = ["TrainingRunAdmin"]
