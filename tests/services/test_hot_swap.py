"""Another version of the model is taken over under load, by every worker, and nobody notices."""

from pathlib import Path

from tests.chaos.activate_models import activate_under_load


def test_versions_are_swapped_under_load(tmp_path: Path) -> None:
    outcome = activate_under_load(tmp_path, activations=4, broken=1, clients=4)

    assert set(outcome.statuses) == {200}, outcome
    assert outcome.errors == []
    assert set(outcome.answers) == set(outcome.versions)  # the broken one never answered
    assert outcome.mixed == 0, outcome.answers
    assert (outcome.refused, outcome.unfollowed) == (1, 0)
