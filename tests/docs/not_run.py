"""The commands of the documentation that no test of it runs, each with the reason."""

import re
from pathlib import Path

TRAINS = "it trains or measures for minutes: the tutorial runs a finetune, tests/training the rest"
BY_TUTORIAL = "it needs a model that was trained: the tutorial runs it"
MEASURED = "it takes minutes to hours, and a data set that is not here; its figures stand beside it"

PAGES = {
    Path("docs/results.md"): MEASURED,
    Path("docs/performance.md"): MEASURED,
}
"""Pages of which none is run."""

COMMANDS = {
    r"make run": "the site of the tests runs already; tests/services/test_make_run.py runs it",
    r"make admin": "it asks for a password on a terminal",
    r"make mlflow": "it serves until it is stopped",
    r"make audit": ".ci/run does it; it installs its tools first",
    r"make client": "tests/services/test_api_client.py generates the client and uses it",
    r"make messages": "it writes into locale/; tests/languages/test_catalogue.py does the same",
    r"kubectl ": "there is no cluster here; tests/deploy reads what it would apply",
    r"docker ": "there is no Docker here; tests/deploy reads what it would start",
    r"cp deploy/env.example .env": "it is for Docker, and would change how this checkout starts",
    r"(.venv/bin/)?pip install": "it installs packages",
    r"python -m pytest": "it needs a package that is not installed",
    r"export ": "it is for the command after it, which is not run",
    r"openssl ": "what it makes is for the environment of a site to be started",
    r".venv/bin/torchrun .*": TRAINS,
    r"\S+ manage.py (finetune|pretrain) (?!.*--(list-recipes|dry-run))": TRAINS,
    r"\S+ manage.py (evaluate|calibrate|compare_runs|pseudo_label)": TRAINS,
    r"\S+ manage.py (pretrain|finetune) --recipe .*--dry-run": "it needs that recipe's data",
    r"\S+ manage.py rate_file .*--engine ray": "it needs Ray; tests/classifier/test_rate_file.py",
    r"\S+ manage.py (doctor|prepare)": "it is for a whole site that runs: tests/doctor",
    r"\S+ manage.py (backup|restore)|git pull": "tests/backup do it, with every row and file",
    r"\S+ manage.py (hub|pull_|push_)": "it needs the Hub; tests/training/hub has a stand-in",
    r"\S+ manage.py (export_model|compare_models|activate_model)": BY_TUTORIAL,
}
"""By how a command begins."""

TUTORIAL = Path("docs/tutorial.md")
RUN_IN_TUTORIAL = re.compile(r"\S+ manage.py (finetune|compare_models|activate_model) ")


def why_not_run(page: Path, words: list[str]) -> tuple[str, str] | None:
    """The entry by which a command is not run, and its reason; None for one that is run."""
    if page in PAGES:
        return str(page), PAGES[page]
    command = " ".join(words)
    if page == TUTORIAL and RUN_IN_TUTORIAL.match(command):
        return None
    return next(
        ((begins, why) for begins, why in COMMANDS.items() if re.match(begins, command)), None
    )
