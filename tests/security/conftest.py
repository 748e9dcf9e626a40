from tests.training.hub.conftest import files, hub, model_dir, stand_in

__all__ = ["files", "hub", "model_dir", "stand_in"]
