import io
import re
import shutil
from dataclasses import fields
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from classifier.files import store
from classifier.models import ModelVersion, StoredFile
from tests.factories import make_prediction, make_verdict
from tests.training.verdicts.sentences import review
from training.admin import presentation
from training.config import SECTIONS, FinetuningConfig, with_overrides
from training.data.reading import READERS
from training.evaluation.metrics import MEASURES
from training.forms import PARAMETERS, SUFFIXES, StartForm
from training.models import TrainingRun
from training.recipes import load_recipe, recipe_names

pytestmark = pytest.mark.django_db

LIST = "/admin/training/trainingrun/"
ADD = f"{LIST}add/"
MARKUP = "<script>alert(1)</script>"
ESCAPED = "&lt;script&gt;alert(1)"


@pytest.fixture
def admin(admin_client: Client) -> Client:
    return admin_client


@pytest.fixture(autouse=True)
def folders(settings: Settings, tmp_path: Path) -> None:
    for name in ("MODELS_DIR", "RUNS_DIR", "DATASETS_DIR"):
        setattr(settings, name, tmp_path / name.lower())
        (tmp_path / name.lower()).mkdir()


def may(client: Client, *rights: str) -> Client:
    """The client, logged in as one of the staff who has these rights to training runs."""
    user = User.objects.create_user("-".join(["may", *rights]), is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(codename__in=[f"{right}_trainingrun" for right in rights])
    )
    client.force_login(user)
    return client


def make_run(name: str = "mine", status: str = "queued", **values: Any) -> TrainingRun:
    """A run whose fields fit its status."""
    now = timezone.now()
    config = FinetuningConfig.from_sections(
        with_overrides({}, {"dataset": values.pop("dataset", "reviews")})
    )
    fitting: dict[str, Any] = {"name": name, "status": status, "config": config.to_sections()}
    if status == "running":
        fitting |= {
            "attempt": 1,
            "lease_until": now + timedelta(minutes=1),
            "started_at": now - timedelta(seconds=90),
            "stage": "training",
        }
    elif status == "paused":
        fitting |= {"attempt": 1, "started_at": now - timedelta(seconds=90), "look_at": now}
    elif status != "queued":
        fitting |= {"finished_at": now, "started_at": now - timedelta(seconds=75)}
    run: TrainingRun = TrainingRun.objects.create(**(fitting | values))
    return run


def page_of(run: TrainingRun) -> str:
    return f"{LIST}{run.pk}/change/"


def live(client: Client, run: TrainingRun, *, log: str = "", state: str = "") -> Any:
    """What the page of the run asks for every two seconds, from a page that is up to date."""
    query = {
        "state": state or presentation.state_token(run),
        "log": log or presentation.log_token(run),
    }
    return client.get(f"{LIST}{run.pk}/live/", query, headers={"HX-Request": "true"})


def text_of(response: Any) -> str:
    assert response.status_code == 200
    return str(response.content.decode())


def posted(form: StartForm, **values: Any) -> dict[str, Any]:
    """What a browser sends of a form that was filled in with `values`."""
    sent = {name: form[name].value() for name in form.fields} | values
    # A checkbox that is not checked is not sent.
    return {name: value for name, value in sent.items() if value is not None and value is not False}


def start(client: Client, filled_from: str = "", /, **values: Any) -> Any:
    """Post the form, filled from a recipe and then changed by hand."""
    return client.post(ADD, posted(StartForm.filled(filled_from, {}), **values))


def content_of(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def errors_of(response: Any) -> dict[str, list[str]]:
    assert response.status_code == 200
    assert not TrainingRun.objects.exists()
    return dict(response.context["form"].errors)


class Ids(HTMLParser):
    """The ids of a page, in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name == "id" and value]


# Starting


def test_the_form_has_every_parameter_with_its_help_and_its_default(admin: Client) -> None:
    page = text_of(admin.get(ADD))

    for name in PARAMETERS:
        assert page.count(f'name="{name}"') == 1
    for kind in SECTIONS.values():
        for item in fields(kind):
            assert StartForm().fields[item.name].help_text
    assert "passes over the training rows. <span" in page.lower()
    assert "Default: 2.0" in page
    assert not [each for each in Ids(page).found if Ids(page).found.count(each) > 1]


def test_every_recipe_is_offered_with_its_description(admin: Client) -> None:
    page = text_of(admin.get(ADD))
    for name in recipe_names():
        assert f'value="{name}"' in page
    assert "DistilBERT on six emotions" in page


def test_data_sets_models_and_reviewed_predictions_are_offered(
    admin: Client, settings: Settings
) -> None:
    (settings.DATASETS_DIR / "mine.csv").write_text("text,label\n")
    (settings.DATASETS_DIR / "split").mkdir()
    (settings.DATASETS_DIR / "split" / "train.jsonl").write_text("{}")
    (settings.DATASETS_DIR / "notes.txt").write_text("no data")
    (settings.MODELS_DIR / "trained").mkdir()
    (settings.MODELS_DIR / "trained" / "config.json").write_text("{}")
    (settings.MODELS_DIR / ".draft").mkdir()
    for _ in range(3):
        make_verdict(make_prediction())

    response = admin.get(ADD)

    offered = [each.value for each in response.context["datasets"]]
    assert offered == ["reviewed", "mine", "split"]
    assert response.context["datasets"][0].label == "3 reviewed predictions"
    assert [each.value for each in response.context["models"]] == ["minilm", "starter", "trained"]


def test_the_suffixes_and_measures_are_those_of_the_heavy_modules() -> None:
    assert set(SUFFIXES) == set(READERS)
    assert ("rows", "loss", *MEASURES) == presentation.MEASURES


def test_a_run_without_a_recipe_gets_only_what_was_changed(admin: Client, admin_user: User) -> None:
    response = start(admin, dataset="reviews", epochs="3", learning_rate="5e-4", name="mine")

    run = TrainingRun.objects.get()
    assert response["Location"] == page_of(run)
    assert (run.name, run.recipe, run.status) == ("mine", "", "queued")
    assert run.started_by == admin_user
    expected = FinetuningConfig.from_sections(
        with_overrides({}, {"dataset": "reviews", "epochs": 3.0})
    )
    assert run.config == expected.to_sections()


@pytest.mark.parametrize("recipe", recipe_names())
def test_every_recipe_starts_as_it_is(admin: Client, recipe: str) -> None:
    review()  # for the recipe that needs some
    start(admin, recipe)

    run = TrainingRun.objects.get()
    assert run.recipe == recipe
    assert run.config == load_recipe(recipe).to_sections()
    assert run.name.startswith(f"{recipe}-")


def test_a_recipe_chosen_without_javascript_keeps_what_the_form_did_not_change(
    admin: Client,
) -> None:
    """The fields still show the defaults: they are not overrides of the recipe."""
    start(admin, recipe="emotion", base_model="starter")

    expected = load_recipe("emotion", {"base_model": "starter"})
    assert TrainingRun.objects.get().config == expected.to_sections()


def test_an_emptied_number_is_the_recipes_own(admin: Client) -> None:
    start(admin, "emotion", epochs="", batch_size="", seed="7")

    expected = load_recipe("emotion", {"seed": 7})
    assert TrainingRun.objects.get().config == expected.to_sections()


def test_an_unchecked_box_and_an_emptied_text_are_overrides(admin: Client) -> None:
    start(admin, "imdb", private=False, group_table="", group_column="")

    expected = load_recipe("imdb", {"private": False, "group_table": "", "group_column": ""})
    assert TrainingRun.objects.get().config == expected.to_sections()


def test_choosing_a_recipe_fills_the_fields_and_keeps_what_was_changed(admin: Client) -> None:
    form = posted(StartForm.filled("emotion", {}), epochs="9", recipe="imdb")

    response = admin.post(f"{ADD}fill/", form, headers={"HX-Request": "true"})

    filled = response.context["form"]
    assert text_of(response).startswith('<div id="run-fields">')
    assert filled["dataset"].value() == "imdb"
    assert filled["max_length"].value() == 512
    assert filled["epochs"].value() == "9"
    assert filled["filled_from"].value() == "imdb"
    assert filled["name"].value().startswith("imdb-")
    assert "Training (1 changed)" in text_of(response)


def test_a_name_of_ones_own_stays_when_a_recipe_is_chosen(admin: Client) -> None:
    form = posted(StartForm.filled("emotion", {}), name="my-own", recipe="")
    response = admin.post(f"{ADD}fill/", form)
    assert response.context["form"]["name"].value() == "my-own"
    assert response.context["form"]["dataset"].value() == ""


def test_without_javascript_a_button_fills_the_fields(admin: Client) -> None:
    form = posted(StartForm.filled("", {}), recipe="emotion", _fill="1")
    response = admin.post(ADD, form)
    assert response.context["form"]["dataset"].value() == "emotion"
    assert "<noscript>" in text_of(response)
    assert not TrainingRun.objects.exists()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("epochs", "-1", "epochs must be positive"),
        ("epochs", "many", "Enter a number."),
        ("epochs", "nan", "Enter a number."),
        ("seed", "1.5", "Enter a whole number."),
        ("learning_rate", "7", "learning_rate must lie between 0 and 1"),
        ("method", "magic", "magic is not one of the available choices"),
        ("dataset", "", ""),
        ("dataset", "/etc/passwd", "no path or address"),
        ("dataset", "../secret", "no path or address"),
        ("dataset", "reviewed", "10 or more of each label"),
        ("base_model", "https://x.example/model", "no path or address"),
        ("push_to_hub", "not a repository", "push_to_hub"),
        ("name", "../up", "letters, digits"),
        ("name", "x" * 101, "at most 100 characters"),
        ("name", "starter", "starter"),
        ("text_column", "a\x00b", "Null characters"),
        ("label_names", "x" * 501, "500 characters"),
        ("batch_size", "9" * 30, "batch_size is a number of at most"),
        ("generated_rows", "-1", "generated_rows must be 0 or more"),
    ],
)
def test_an_error_stands_at_its_field_and_the_input_stays(
    admin: Client, field: str, value: str, said: str
) -> None:
    response = start(admin, **{"dataset": "reviews", "scheduler": "cosine", field: value})

    errors = errors_of(response)
    assert list(errors) == [field]
    assert said in errors[field][0]
    assert response.context["form"][field].value() == value
    assert response.context["form"]["scheduler"].value() == "cosine"
    page = text_of(response)
    assert "Nothing was started" in page
    assert "<title>Error:" in page


def test_a_folded_section_with_an_error_is_open(admin: Client) -> None:
    page = text_of(start(admin, dataset="reviews", dropout="2"))
    before = page[: page.index('name="dropout"')]
    assert before.count("<details>") == before.count("</details>")


def test_a_name_that_is_taken_is_refused_at_its_field(admin: Client) -> None:
    make_run("mine")
    response = start(admin, dataset="reviews", name="mine")
    assert list(response.context["form"].errors) == ["name"]
    assert TrainingRun.objects.count() == 1


def test_an_unknown_recipe_is_refused(admin: Client) -> None:
    assert "recipe" in errors_of(start(admin, dataset="reviews", recipe="none-such"))


def test_markup_in_the_form_comes_back_as_text(admin: Client) -> None:
    page = text_of(start(admin, dataset=MARKUP, name=MARKUP, text_column=MARKUP))
    assert "<script>alert" not in page
    assert ESCAPED in page


@pytest.mark.parametrize("token", ["", "hf_" + "a" * 30])
def test_the_form_says_whether_a_token_for_the_hub_is_set(
    admin: Client, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    page = text_of(admin.get(ADD))
    assert ("HF_TOKEN is not set" in page) == (not token)
    assert not token or token not in page


def test_another_like_a_run_begins_with_its_parameters(admin: Client) -> None:
    config = load_recipe("emotion", {"epochs": 7, "private": False})
    run = make_run("first-20260101-000000", recipe="emotion", config=config.to_sections())

    form = admin.get(ADD, {"like": str(run.pk)}).context["form"]

    assert form["recipe"].value() == "emotion"
    assert form["epochs"].value() == 7
    assert re.fullmatch(r"first-\d{8}-\d{6}", form["name"].value())
    admin.post(ADD, posted(form))
    again = TrainingRun.objects.exclude(pk=run.pk).get()
    assert (again.recipe, again.config) == (run.recipe, run.config)


def test_another_like_a_run_of_a_recipe_that_is_gone_has_its_parameters(admin: Client) -> None:
    run = make_run(recipe="gone", dataset="reviews")
    admin.post(ADD, posted(admin.get(ADD, {"like": str(run.pk)}).context["form"]))
    again = TrainingRun.objects.exclude(pk=run.pk).get()
    assert (again.recipe, again.config) == ("", run.config)


@pytest.mark.parametrize("like", ["", "x", "00000000-0000-0000-0000-000000000000", "\x00"])
def test_another_like_nothing_is_an_empty_form(admin: Client, like: str) -> None:
    assert admin.get(ADD, {"like": like}).context["form"]["dataset"].value() == ""


# Retraining


@pytest.fixture
def served(served_model: Path, tmp_path: Path, settings: Settings) -> Path:
    """The site serves a model of its own, which was trained on the data set `old`."""
    model = Path(shutil.copytree(served_model, settings.MODELS_DIR / "mine"))
    (model / "metrics.json").write_text('{"config": {"data": {"dataset": "old"}}}')
    settings.CLASSIFIER_MODEL = "mine"
    return model


RETRAIN = f"{LIST}retrain/"


def test_one_button_retrains_on_the_verdicts(
    admin: Client, admin_user: User, served: Path, settings: Settings
) -> None:
    (settings.DATASETS_DIR / "old.csv").touch()
    review(train=12)
    for address in (LIST, "/admin/"):
        page = text_of(admin.get(address))
        assert f'action="{RETRAIN}"' in page
        assert "Retrain on 24 verdicts" in page

    page = text_of(admin.post(RETRAIN, follow=True))

    run = TrainingRun.objects.get()
    assert (run.recipe, run.started_by) == ("reviewed", admin_user)
    assert run.config["data"]["replay_dataset"] == "old"
    assert f"The run {run.name} has been started." in page
    assert "No original training set" not in page
    assert f"<h1>{run.name}" in page


def test_without_the_first_data_the_button_says_what_is_missing(
    admin: Client, served: Path
) -> None:
    review()
    page = text_of(admin.post(RETRAIN, follow=True))
    assert "No original training set was found: old is not under DATASETS_DIR." in page
    assert "learns from verdicts alone" in page
    assert "Put old under DATASETS_DIR and retrain" in page
    assert TrainingRun.objects.get().config["data"]["replay_dataset"] == ""


def test_too_few_verdicts_start_no_run(admin: Client, served: Path) -> None:
    page = text_of(admin.post(RETRAIN, follow=True))
    assert "10 or more of each label to train on" in page
    assert not TrainingRun.objects.exists()


def test_without_a_model_nothing_is_retrained(admin: Client, no_model: Path) -> None:
    review()
    assert "there is no model" in text_of(admin.post(RETRAIN, follow=True))
    assert not TrainingRun.objects.exists()


def test_who_may_not_add_runs_does_not_retrain(client: Client, served: Path) -> None:
    review()
    looker = may(client, "view", "change")
    assert looker.post(RETRAIN).status_code == 403
    assert RETRAIN not in text_of(looker.get(LIST))
    assert not TrainingRun.objects.exists()


def test_who_may_add_and_not_look_reads_the_error_on_the_front_page(
    client: Client, served: Path
) -> None:
    page = text_of(may(client, "add").post(RETRAIN, follow=True))
    assert "10 or more of each label to train on" in page


def test_the_page_of_a_run_tells_where_its_rows_came_from(admin: Client) -> None:
    provenance = {
        "rows": {"train": {"verdict": 1180, "replay": 590}, "test": {"verdict": 40, "replay": 0}},
        "replay": {"dataset": MARKUP, "per_verdict": 0.5},
        "left_out": {"verdict": {"frozen": 3}, "replay": {"frozen": 0, "reviewed": 7}},
    }
    version = ModelVersion.objects.create(
        name="x", revision="1", status="candidate", metrics={"provenance": provenance}
    )
    page = text_of(admin.get(page_of(make_run("x", "succeeded", model_version=version))))
    for shown in ("1,180", "590", "0.5 for each", "Left out: 3 verdicts", "7 replayed rows"):
        assert shown in page
    assert ESCAPED in page
    assert "manage.py activate_model x" in page
    version.status, version.metrics = "seen", {}
    version.save()
    page = text_of(admin.get(page_of(make_run("y", "succeeded", model_version=version))))
    assert "activate_model" not in page
    assert "Left out" not in page


# Who may what


def test_who_may_only_look_sees_all_and_changes_nothing(client: Client) -> None:
    run, failed = make_run("one"), make_run("two", "failed", report=report_file())
    looker = may(client, "view")

    for address in (LIST, page_of(run), page_of(failed), f"{LIST}{failed.pk}/report/"):
        assert looker.get(address).status_code == 200
    assert live(looker, run).status_code == 200
    for post in (ADD, f"{ADD}fill/", f"{LIST}{run.pk}/cancel/", f"{LIST}{failed.pk}/retry/"):
        assert looker.post(post).status_code == 403
    assert looker.get(ADD).status_code == 403
    for address in (LIST, page_of(run), page_of(failed)):
        page = text_of(looker.get(address))
        for offer in ("/cancel/", "/retry/", "add/?like", "Start a training run", "/delete/"):
            assert offer not in page
    assert set(TrainingRun.objects.values_list("status", flat=True)) == {"queued", "failed"}


def test_who_may_add_starts_and_may_not_cancel(client: Client) -> None:
    starter = may(client, "add", "view")
    assert start(starter, dataset="reviews", name="mine").status_code == 302
    assert starter.post(f"{LIST}{TrainingRun.objects.get().pk}/cancel/").status_code == 403
    assert TrainingRun.objects.get().status == "queued"


def test_who_may_change_cancels_and_retries_and_may_not_start(client: Client) -> None:
    run = make_run()
    changer = may(client, "change")
    assert changer.post(f"{LIST}{run.pk}/cancel/").status_code == 302
    run.refresh_from_db()
    assert run.status == "cancelled"
    assert changer.post(f"{LIST}{run.pk}/retry/").status_code == 302
    run.refresh_from_db()
    assert (run.status, run.cancel_requested) == ("queued", False)
    assert changer.get(ADD).status_code == 403


@pytest.mark.parametrize("rights", [(), ("add",)])
def test_who_may_not_look_sees_no_run(client: Client, rights: tuple[str, ...]) -> None:
    run = make_run("secret", "failed", report=report_file())
    other = may(client, *rights)

    assert other.get(page_of(run)).status_code == 403
    assert other.get(f"{LIST}{run.pk}/report/").status_code == 403
    assert live(other, run)["HX-Refresh"] == "true"
    assert b"secret" not in live(other, run).content
    if rights:
        assert "secret" not in text_of(other.get(ADD, {"like": str(run.pk)}))


def test_a_stranger_is_sent_to_the_login(client: Client) -> None:
    run = make_run("secret", "failed", report=report_file())
    for path in (
        "",
        "add/",
        f"{run.pk}/change/",
        f"{run.pk}/report/",
        f"{run.pk}/report/download/",
    ):
        response = client.get(f"{LIST}{path}")
        assert response["Location"].startswith("/admin/login/")
    for path in ("add/", "add/fill/", "retrain/", f"{run.pk}/cancel/", f"{run.pk}/retry/"):
        assert client.post(f"{LIST}{path}").status_code == 302
    # The page reloads as a whole: a fragment would be the login form inside it.
    assert live(client, run)["HX-Refresh"] == "true"
    assert live(client, run).content == b""


def test_every_post_needs_its_token(admin_user: User) -> None:
    run = make_run()
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    for path in ("add/", "add/fill/", "retrain/", f"{run.pk}/cancel/", f"{run.pk}/retry/"):
        assert client.post(f"{LIST}{path}", {"recipe": "emotion"}).status_code == 403
    run.refresh_from_db()
    assert run.status == "queued"


@pytest.mark.parametrize("path", ["cancel/", "retry/"])
def test_a_look_changes_nothing(admin: Client, path: str) -> None:
    run = make_run()
    assert admin.get(f"{LIST}{run.pk}/{path}").status_code == 405
    assert admin.get(RETRAIN).status_code == 405
    assert admin.post(page_of(run)).status_code == 405


@pytest.mark.parametrize("status", ["queued", "running", "paused"])
def test_a_run_that_is_not_over_is_not_deleted(admin: Client, status: str) -> None:
    run = make_run(status=status)
    assert admin.post(f"{LIST}{run.pk}/delete/", {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [str(run.pk)], "post": "yes"}
    admin.post(LIST, chosen)
    assert TrainingRun.objects.filter(pk=run.pk).exists()


@pytest.mark.parametrize("way", ["alone", "with others"])
def test_with_a_run_its_report_is_deleted(admin: Client, way: str) -> None:
    run = make_run(status="succeeded", report=report_file())
    if way == "alone":
        admin.post(f"{LIST}{run.pk}/delete/", {"post": "yes"})
    else:
        chosen = {"action": "delete_selected", "_selected_action": [str(run.pk)], "post": "yes"}
        admin.post(LIST, chosen)
    assert not TrainingRun.objects.exists()
    assert not StoredFile.objects.exists()


# The list


def test_an_empty_list_says_what_to_do(admin: Client) -> None:
    page = text_of(admin.get(LIST))
    assert "No model has been trained here yet." in page
    assert page.count(f'href="{ADD}"') >= 2
    assert "No model has been trained" not in text_of(admin.get(LIST, {"q": "nothing"}))


def test_the_list_shows_how_far_and_how_good_a_run_is(admin: Client) -> None:
    make_run("busy", "running", done=30, total=120, recipe="emotion")
    make_run("done", "succeeded", metrics={"test_accuracy": 0.91, "test_f1_macro": 0.9042})

    page = text_of(admin.get(LIST))

    assert "25 %" in page
    for shown in ("0.9100", "0.9042", "running", "succeeded", "1 min 15 s", "reviews"):
        assert shown in page


def test_the_list_can_be_ordered_by_a_measure(admin: Client) -> None:
    for name, accuracy in (("low", 0.09), ("high", 0.91), ("middle", 0.5)):
        make_run(name, "succeeded", metrics={"test_accuracy": accuracy})
    column = 4  # the first is the name
    rows = admin.get(LIST, {"o": f"-{column}"}).context["cl"].result_list
    assert [run.name for run in rows] == ["high", "middle", "low"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, {"one", "two"}),
        ({"status__exact": "failed"}, {"two"}),
        ({"recipe": "emotion"}, {"one"}),
        ({"q": "tw"}, {"two"}),
        ({"q": "danetqa"}, {"two"}),
        ({"q": "minilm"}, {"one", "two"}),
        ({"q": "%"}, set()),
        ({"q": "'\""}, set()),
    ],
)
def test_each_filter_and_the_search_choose(
    admin: Client, query: dict[str, str], expected: set[str]
) -> None:
    make_run("one", recipe="emotion")
    make_run("two", "failed", dataset="danetqa")
    rows = admin.get(LIST, query).context["cl"].result_list
    assert {run.name for run in rows} == expected


def queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def test_the_queries_of_the_list_do_not_grow_with_the_runs(admin: Client, admin_user: User) -> None:
    def make(name: str) -> None:
        version, _ = ModelVersion.objects.get_or_create(name=name, revision="1")
        user = User.objects.create_user(name)
        make_run(name, "succeeded", started_by=user, model_version=version, report=report_file())

    for number in range(2):
        make(f"few-{number}")
    few = queries(admin, LIST)
    for number in range(15):
        make(f"many-{number}")
    assert queries(admin, LIST) == few


# Following one


def test_the_page_of_a_running_run_shows_its_numbers_and_asks_for_more(admin: Client) -> None:
    run = make_run(
        "busy",
        "running",
        done=30,
        total=120,
        epoch=0.5,
        pace=1.5,
        history=[{"step": 10, "loss": 0.7}, {"step": 30, "loss": 0.4321}],
        log_tail="step 30",
    )

    page = text_of(admin.get(page_of(run)))

    for shown in ("25 %", "0.4321", "0.50", "about 1 min 00 s", "Training.", "step 30", "<svg"):
        assert shown in page
    assert f'hx-get="{LIST}{run.pk}/live/?state=' in page
    assert 'hx-trigger="every 2s"' in page
    assert "The training loss goes from 0.7000 at step 10" in page
    assert "Attempt" not in page
    assert "Workers lost" not in page
    assert not [each for each in Ids(page).found if Ids(page).found.count(each) > 1]


def test_attempts_and_lost_workers_are_shown_where_there_are_any(admin: Client) -> None:
    page = text_of(admin.get(page_of(make_run(status="running", attempt=3, worker_losses=2))))
    assert re.search(r"<dt>Attempt</dt><dd>3<", page)
    assert re.search(r"<dt>Workers lost</dt><dd class=\"run-bad\">2<", page)


def test_a_loss_that_has_diverged_is_named(admin: Client) -> None:
    run = make_run(status="running", history=[{"step": 1, "loss": 0.7}, {"step": 2, "loss": None}])
    assert "not a number" in text_of(admin.get(page_of(run)))


def test_a_look_at_a_run_that_goes_on_brings_the_numbers_alone(admin: Client) -> None:
    run = make_run(status="running", done=5, total=10, log_tail="one line")

    response = live(admin, run)

    assert text_of(response).startswith('<div id="run-live"')
    assert "HX-Retarget" not in response
    assert "50 %" in text_of(response)
    assert "one line" not in text_of(response)
    assert "csrfmiddlewaretoken" not in text_of(response)


def test_a_longer_log_is_brought_along(admin: Client) -> None:
    run = make_run(status="running", log_tail="one line")
    known = presentation.log_token(run)
    run.log_tail += "\nand another"
    run.save()
    assert "and another" in text_of(live(admin, run, log=known))


@pytest.mark.parametrize(
    "values",
    [
        {"cancel_requested": True},
        {"stopping": True},
        {"attempt": 2},
        {"status": "paused", "lease_until": None},
    ],
    ids=["cancelled", "stopping", "taken up again", "paused"],
)
def test_a_change_of_state_brings_the_whole_page(admin: Client, values: dict[str, Any]) -> None:
    run = make_run(status="running")
    known = presentation.state_token(run)
    TrainingRun.objects.filter(pk=run.pk).update(**values)

    response = live(admin, run, state=known)

    assert (response["HX-Retarget"], response["HX-Reswap"]) == ("#run", "outerHTML")
    assert '<div id="run"' in text_of(response)
    assert 'id="run-announcement"' in text_of(response)


def test_the_page_of_a_run_that_is_over_asks_no_more(admin: Client) -> None:
    run = make_run(status="running")
    known = presentation.state_token(run)
    TrainingRun.objects.filter(pk=run.pk).update(
        status="succeeded", finished_at=timezone.now(), lease_until=None
    )
    for page in (text_of(live(admin, run, state=known)), text_of(admin.get(page_of(run)))):
        assert "succeeded" in page
        assert 'hx-trigger="every' not in page
        assert "/cancel/" not in page


def test_a_run_that_was_deleted_reloads_its_page_which_says_so(admin: Client) -> None:
    run = make_run(status="cancelled")
    TrainingRun.objects.all().delete()
    assert live(admin, run)["HX-Refresh"] == "true"
    response = admin.get(page_of(run), follow=True)
    assert "It may have been deleted." in text_of(response)


@pytest.mark.parametrize("key", ["x", "00000000-0000-0000-0000-000000000000", "1%2F2"])
def test_there_is_no_page_of_no_run(admin: Client, key: str) -> None:
    assert admin.get(f"{LIST}{key}/change/").status_code == 302
    for path in ("live/", "report/"):
        assert admin.get(f"{LIST}{key}/{path}").status_code in (200, 302, 404)


def test_the_queries_of_a_look_are_few_and_always_as_many(admin: Client) -> None:
    run = make_run(status="running")
    address = f"{LIST}{run.pk}/live/?state={presentation.state_token(run)}"
    few = queries(admin, address)
    run.history = [{"step": step, "loss": 1 / step} for step in range(1, 400)]
    run.started_by = User.objects.create_user("someone")
    run.save()
    for number in range(10):
        make_run(f"other-{number}")
    assert queries(admin, address) == few <= 3


def test_the_queries_of_a_page_do_not_depend_on_what_it_shows(admin: Client) -> None:
    bare = make_run("bare", "succeeded")
    version = ModelVersion.objects.create(name="x", revision="1")
    user = User.objects.create_user("someone")
    full = make_run(
        "full", "succeeded", started_by=user, model_version=version, report=report_file()
    )
    assert queries(admin, page_of(bare)) == queries(admin, page_of(full))


def test_a_run_that_waits_long_says_what_it_may_wait_for(admin: Client) -> None:
    run = make_run(queued_at=timezone.now() - timedelta(minutes=5))
    assert "none is running" in text_of(admin.get(page_of(run)))
    assert "none is running" not in text_of(admin.get(page_of(make_run("fresh"))))


def test_a_finished_run_shows_measures_report_and_how_to_serve_it(admin: Client) -> None:
    version = ModelVersion.objects.create(name="mine", revision="0123456789ab")
    run = make_run(
        status="succeeded",
        model_version=version,
        report=report_file(),
        metrics={"validation_loss": 0.3, "test_rows": 1000, "test_accuracy": 0.91},
    )

    page = text_of(admin.get(page_of(run)))

    assert "CLASSIFIER_MODEL=mine" in page
    assert f"/admin/classifier/modelversion/{version.pk}/change/" in page
    for shown in ("0.3000", "1,000", "0.9100", "make mlflow"):
        assert shown in page
    assert re.search(rf'<iframe[^>]* sandbox=""[^>]* src="{LIST}{run.pk}/report/"', page)
    assert f"{LIST}{run.pk}/report/download/" in page
    assert f"{ADD}?like={run.pk}" in page
    assert "/retry/" not in page


def test_a_failed_run_shows_the_error_and_offers_a_retry(admin: Client) -> None:
    run = make_run(status="failed", error="A rule. Found: a value. A remedy.", log_tail="the end")
    page = text_of(admin.get(page_of(run)))
    for shown in ("A rule. Found: a value. A remedy.", "the end", f"{LIST}{run.pk}/retry/"):
        assert shown in page


def test_a_paused_run_shows_why_and_offers_to_go_on_now_or_to_cancel(admin: Client) -> None:
    run = make_run(status="paused", error="5 bytes are needed.", done=5, total=10)
    page = text_of(admin.get(page_of(run)))
    for shown in (
        *("5 bytes are needed.", "Why it is paused", "Go on now", "goes on by itself"),
        *(f"{LIST}{run.pk}/retry/", f"{LIST}{run.pk}/cancel/", 'hx-trigger="every 2s"'),
    ):
        assert shown in page
    assert "Why it failed" not in page
    assert "‖" in text_of(admin.get(LIST))
    assert "mine" in text_of(admin.get(LIST, {"status__exact": "paused"}))

    admin.post(f"{LIST}{run.pk}/retry/")
    run.refresh_from_db()
    assert run.status == "queued"


def test_parameters_that_differ_from_the_recipe_are_named(admin: Client) -> None:
    config = load_recipe("emotion", {"learning_rate": 1e-3})
    run = make_run(recipe="emotion", config=config.to_sections())
    assert [each.name for each in admin.get(page_of(run)).context["changed"]] == ["learning_rate"]


def test_markup_in_a_run_is_shown_as_text(admin: Client) -> None:
    run = make_run(
        MARKUP,
        "failed",
        dataset="x",
        recipe=MARKUP,
        stage=MARKUP,
        error=MARKUP,
        log_tail=f"</pre>{MARKUP}",
        started_by=User.objects.create_user(MARKUP),
        config={"data": {"dataset": MARKUP}, "model": {"base_model": MARKUP}},
        history=[{"step": MARKUP, "loss": MARKUP}, {"step": 1, "loss": 0.5, "x": MARKUP}],
        metrics={"test_accuracy": MARKUP, MARKUP: 1},
        model_version=ModelVersion.objects.create(name=MARKUP, revision="1"),
    )
    for response in (
        admin.get(LIST),
        admin.get(page_of(run)),
        live(admin, run, state="another", log="another"),
        admin.get(ADD, {"like": str(run.pk)}),
    ):
        assert "<script>alert" not in text_of(response)
        assert ESCAPED in text_of(response)


def test_the_pages_run_no_script_of_their_own(admin: Client) -> None:
    """A content security policy without 'unsafe-inline' can come."""
    run = make_run(status="running", history=[{"step": 1, "loss": 0.5}], done=1, total=2)
    ours = re.compile(r"(?s)<div id=\"content\".*</main>")
    for address in (ADD, page_of(run)):
        page = text_of(admin.get(address))
        found = ours.search(page)
        assert found
        assert not re.search(r"<script|\son\w+=|\sstyle=|<style|javascript:", found[0])
        assert not re.search(r"<script(?![^>]*\ssrc=)", page)


# Cancelling and retrying


def test_cancelling_asks_the_worker_of_a_running_run(admin: Client) -> None:
    run = make_run(status="running")
    page = text_of(admin.post(f"{LIST}{run.pk}/cancel/", follow=True))
    run.refresh_from_db()
    assert (run.status, run.cancel_requested) == ("running", True)
    assert "cancelling" in page
    assert "Yes, cancel it" not in page
    assert "Cancelled." in text_of(admin.get(f"{LIST}{run.pk}/history/"))


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [("cancel/", "succeeded", "was over already"), ("retry/", "running", "at work or done")],
)
def test_what_comes_too_late_says_so(admin: Client, path: str, status: str, said: str) -> None:
    run = make_run(status=status)
    assert said in text_of(admin.post(f"{LIST}{run.pk}/{path}", follow=True))
    run.refresh_from_db()
    assert run.status == status


@pytest.mark.parametrize("path", ["cancel/", "retry/", "report/"])
def test_there_is_nothing_to_do_with_no_run(admin: Client, path: str) -> None:
    address = f"{LIST}00000000-0000-0000-0000-000000000000/{path}"
    response = admin.get(address) if path == "report/" else admin.post(address)
    assert response.status_code == 404


# The report


def report_file(content: bytes = b"<!doctype html><h1>The report</h1>") -> StoredFile:
    return store(io.BytesIO(content), "report.html")


def test_the_report_is_served_as_a_page_that_can_do_nothing(admin: Client) -> None:
    run = make_run(status="succeeded", report=report_file(f"<h1>A</h1>{MARKUP}".encode()))

    response = admin.get(f"{LIST}{run.pk}/report/")

    assert content_of(response) == f"<h1>A</h1>{MARKUP}".encode()
    assert response["Content-Type"] == "text/html; charset=utf-8"
    policy = [part.strip() for part in response["Content-Security-Policy"].split(";")]
    assert {"sandbox", "default-src 'none'", "frame-ancestors 'self'"} <= set(policy)
    assert not any("allow-" in part or "script-src" in part for part in policy)
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "SAMEORIGIN"
    assert "private" in response["Cache-Control"]
    assert response["Content-Disposition"].startswith("inline")


def test_the_report_can_be_downloaded(admin: Client) -> None:
    run = make_run("mine", "succeeded", report=report_file())
    response = admin.get(f"{LIST}{run.pk}/report/download/")
    assert response["Content-Disposition"] == 'attachment; filename="mine-report.html"'
    assert b"The report" in content_of(response)


def test_a_run_without_a_report_has_none(admin: Client) -> None:
    assert admin.get(f"{LIST}{make_run().pk}/report/").status_code == 404


# MLflow


@pytest.mark.parametrize(
    ("uri", "link"),
    [
        ("https://user:secret@mlflow.example/base", "https://mlflow.example/base"),
        ("http://mlflow.example:5000", "http://mlflow.example:5000"),
        ("javascript:alert(1)", ""),
        ("sqlite:////home/someone/mlflow.db", ""),
        ("databricks://profile", ""),
    ],
)
def test_the_link_to_mlflow_is_a_server_without_credentials(
    admin: Client, uri: str, link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    page = text_of(admin.get(page_of(make_run(status="succeeded"))))
    assert ("make mlflow" in page) == (not link)
    assert f'href="{link}"' in page if link else True
    for never in ("secret", "javascript:", "/home/someone"):
        assert never not in page


def test_where_the_run_is_known_the_link_leads_to_it(admin: Client, settings: Settings) -> None:
    (settings.RUNS_DIR / "mine").mkdir()
    page_in_mlflow = "http://mlflow.example/#/experiments/1/runs/abc"
    (settings.RUNS_DIR / "mine" / "tracking.sent.json").write_text(f'{{"url": "{page_in_mlflow}"}}')
    page = text_of(admin.get(page_of(make_run("mine", "succeeded"))))
    assert f'href="{page_in_mlflow}"' in page


def test_a_run_without_an_experiment_is_not_tracked(admin: Client) -> None:
    config = load_recipe("emotion", {"experiment": ""}).to_sections()
    assert "Not tracked" in text_of(admin.get(page_of(make_run(status="succeeded", config=config))))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (90_000, "1 d 1 h"),
        (-3, "0 s"),
    ],
)
def test_a_duration_is_said_in_its_two_largest_units(seconds: float, said: str) -> None:
    assert presentation.spelled(seconds) == said
