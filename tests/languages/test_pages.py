"""Every page in Russian, and no English left on any of them."""

import re
import uuid
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from classifier.bulk_jobs import submission
from classifier.bulk_jobs.work import work
from classifier.exceptions import ModelNotReady
from classifier.messages import message
from classifier.models import (
    AuditEntry,
    BulkJob,
    Feedback,
    ModelVersion,
    Prediction,
    StoredFile,
    audit_entry,
)
from tests.factories import make_answer, make_prediction, make_verdict, make_version
from tests.languages.reading import english_on, said_on
from training.forms import PARAMETERS, StartForm, recipe_values
from training.models import TrainingRun
from training.recipes import load_recipe, recipe_names

pytestmark = pytest.mark.django_db

# What the rows of these tests are called.
MINE = {
    *("reviews.csv", "reviews-rated.csv", "tiny", "exported", "other", "mine", "ann", "admin"),
    *("0123456789ab", "minilm", "starter", "reviewed", "imdb", "user/name"),
}
# What the form of a run shows as it is written: parameters, their values, recipes and their data.
FORM = {
    *PARAMETERS,
    *recipe_names(),
    *(
        word
        for recipe in ("", *recipe_names())
        for value in recipe_values(recipe).values()
        for word in str(value).split()
        if word.strip("0123456789.-e")
    ),
    *("manage.py", "inspect_dataset", "finetune --help", "DistilBERT", "IMDB", "BERT", "ruBERT"),
    *(
        "Trainer",
        "all-MiniLM",
        "Rotten Tomatoes",
        "DaNetQA",
        "Beta",
        "AdamW",
        "embeddings",
        "rules",
    ),
    *("validation", "test", "unsup", "lam", "full", "lora", "fp32", "bf16", "fp16", "mixup_layer"),
    *("--mixup-pairs", "--mixup-rows", "--generator-model", "p_tuning", "train", "hidden", "Auto"),
    "(alpha, alpha)",
}
Read = Callable[..., str]


@pytest.fixture
def russian(admin_client: Client) -> Client:
    admin_client.defaults["HTTP_ACCEPT_LANGUAGE"] = "ru"
    return admin_client


@pytest.fixture
def read(russian: Client) -> Read:
    """Asks for a page and demands that it is in Russian."""

    def ask(
        address: str, *, status: int = 200, names: set[str] | None = None, **posted: Any
    ) -> str:
        response = russian.post(address, posted) if posted else russian.get(address)
        page = b"".join(response) if response.streaming else response.content
        text = page.decode()
        assert response.status_code == status, text[:2000]
        assert '<html lang="ru"' in text, text[:300]
        english = english_on(text, names=MINE | (names or set()))
        assert not english, f"{address}: {english}"
        return text

    return ask


def file_of(text: str, name: str = "reviews.csv") -> StoredFile:
    return submission.receive(BytesIO(text.encode()), name)


def job_of(text: str, *, keep_texts: bool = False) -> BulkJob:
    return submission.submit_stored(
        file_of(text), text_column="text", keep_texts=keep_texts, source=Prediction.Source.FORM
    )


@pytest.fixture
def queue(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr("classifier.jobs.wake.publish", lambda *_, **__: None, raising=False)


def test_the_page_of_the_api_is_russian(read: Read, client: Client) -> None:
    english = client.get("/api/docs").content.decode()
    names = {
        *re.findall(r"<code>(\w{4,})</code>", english),
        *("texts[3]", "[low, high]", "text_blank", "Idempotent-Replayed", "UUID", "ETag", "Cookie"),
        *("Inference API", "Hugging Face", "Text Embeddings Inference", "Trainer", "occlusion"),
        *("huggingface_hub.InferenceClient", "text_classification", "gradients", "places", "model"),
        *("next", "previous", "read", "true", "false", "null", "UP"),
        *("dataset", "replay_dataset", "base_model", "epochs", "learning_rate", "push_to_hub"),
    }

    page = read("/api/docs", names=names)

    assert "Оценить каждую строку файла" in page


def test_pages_of_ratings_are_russian(read: Read, served_model: Path) -> None:
    english = "I have seen this film twice, and I would gladly see it again with all my friends."
    one = make_prediction(english, language="en", rating_low=7, rating_high=10)
    two = make_prediction("Dull.", label="NEGATIVE", rating=2, truncated=True)
    gone = make_prediction("", text_purged_at=timezone.now())

    page = read("/", names={english})
    assert "На сколько звёзд этот отзыв?" in said_on(page)
    for prediction in (one, two, gone):
        assert "из 10" in read(f"/predictions/{prediction.pk}", names={english, "Dull."})
    read("/compare")
    read(f"/compare/{one.pk}/{two.pk}", names={english, "Dull."})
    read(f"/predictions/{one.pk}/feedback", status=400, label="NEGATIVE", rating=20)
    read("/nowhere", status=404)


def test_a_text_that_breaks_a_rule_is_refused_in_russian(read: Read, served_model: Path) -> None:
    said = " ".join(said_on(read("/", status=400, text=" ")))

    assert "В тексте должен быть хотя бы один символ, кроме пробельных." in said


def test_the_site_says_in_russian_that_it_has_no_model(read: Read, no_model: Path) -> None:
    page = read("/", status=503, text="хорошо", names={str(no_model), "finetune"})

    assert "Модель, указанная в CLASSIFIER_MODEL, должна существовать." in page


def test_pages_of_files_are_russian(read: Read, served_model: Path, settings: Settings) -> None:
    settings.TEXT_RETENTION_DAYS = 3
    read("/bulk")
    read(f"/bulk/uploads/{uuid.uuid4()}", status=404)
    upload = file_of('text,stars\ngood,5\n"bad,1\n')
    page = read(f"/bulk/uploads/{upload.pk}", names={"text", "stars", "good"})
    assert "Эта строка не будет оценена" in page
    read(
        f"/bulk/uploads/{upload.pk}",
        status=400,
        names={"text", "stars", "good", "maybe"},
        keep_texts="maybe",
    )


@pytest.mark.parametrize("keep_texts", [True, False])
def test_the_page_of_a_file_is_russian_at_each_stage(
    read: Read, served_model: Path, keep_texts: bool
) -> None:
    job = job_of("text,stars\ngood film,5\n\nbad\nfine,4\n", keep_texts=keep_texts)
    address = f"/bulk/{job.pk}"
    assert "Ждёт рабочий процесс" in read(address)
    BulkJob.objects.update(
        error=ModelNotReady(
            code="x",
            rule=message("A model's outputs must be finite numbers."),
            value=message("{name} gave NaN or infinity", name="tiny"),
            remedy=message("Train it again at a lower --learning-rate, or serve another model."),
        ).message
    )
    waiting = read(address, names={"--learning-rate", "NaN"})
    assert "tiny выдала NaN или бесконечность" in waiting

    work()
    page = read(address, names={"text"})
    assert "Готово" in said_on(page)
    assert "В строке должны быть ячейки. Найдено: пустая строка." in page
    assert "В строке должно быть столько же ячеек" in page

    BulkJob.objects.update(status="failed", error=message("{name} has been deleted.", name="x"))
    assert "Файл x удалён." in read(address, names={"text", "Файл x"})
    BulkJob.objects.update(status="cancelled", purged_at=timezone.now())
    read(address, names={"text"})


def test_the_page_of_the_model_is_russian(read: Read, served_model: Path) -> None:
    read("/model", names={"tiny"})


def test_the_admin_is_russian(read: Read, served_model: Path, admin_user: User) -> None:
    one = make_prediction("A warm film.")
    make_verdict(one, reviewer=admin_user)
    Feedback.objects.create(
        prediction=one, visitor="v", label="NEGATIVE", rating=1, disagrees=True, source="form"
    )
    job = job_of("text\nx\n")
    version = make_version("other")
    make_answer(version, one, shadow=True)
    entry = audit_entry(
        AuditEntry.Action.MODEL_REFUSED,
        version,
        admin_user,
        reason=message("A model's outputs must be finite numbers."),
    )
    entry.save()
    names = {"A warm film.", "text", "prediction", "done", str(job.pk), str(one.pk)}

    assert "Обзор" in read("/admin/", names=names)
    for model in ("prediction", "bulkjob", "modelversion", "auditentry"):
        read(f"/admin/classifier/{model}/", names=names | {"modelversion"})
    read("/admin/classifier/prediction/?review=reviewed&language=other", names=names)
    read(f"/admin/classifier/prediction/{one.pk}/change/", names=names)
    read(f"/admin/classifier/bulkjob/{job.pk}/change/", names=names)
    read(f"/admin/classifier/modelversion/{version.pk}/change/", names=names)
    changed = read(f"/admin/classifier/auditentry/{entry.pk}/change/", names={"modelversion"})
    assert "Модель должна выдавать конечные числа." in changed
    read(f"/admin/classifier/modelversion/{version.pk}/compare/", names=names)


def test_the_review_queue_is_russian(read: Read, served_model: Path) -> None:
    assert "Проверять нечего." in read("/admin/classifier/prediction/review/")
    make_prediction("A warm film.")
    read("/admin/classifier/prediction/review/", names={"A warm film."})
    read("/admin/classifier/prediction/import/", names={"manage.py import_verdicts"})


def test_the_pages_of_training_are_russian(
    read: Read, settings: Settings, tmp_path: Path, admin_user: User
) -> None:
    settings.DATASETS_DIR = tmp_path
    read("/admin/training/trainingrun/", names={"text", "label"})
    config = load_recipe("starter").to_sections()
    kept = {"name": "mine", "config": config, "started_by": admin_user}
    run = TrainingRun.objects.create(**kept)
    known = _parameters(config)
    address = f"/admin/training/trainingrun/{run.pk}/change/"
    read("/admin/training/trainingrun/")
    assert "Ждёт рабочий процесс." in read(address, names=known)
    TrainingRun.objects.update(
        status="failed",
        finished_at=timezone.now(),
        started_at=timezone.now(),
        error=message(
            "device=cuda needs a GPU that torch can use, but there is none. Give --device cpu."
        ),
        metrics={"test_accuracy": 0.5, "test_rows": 20},
    )
    page = read(address, names=known | {"device=cuda", "--device cpu"})
    assert "нужна видеокарта" in page


def _parameters(config: dict[str, dict[str, Any]]) -> set[str]:
    """Their names and values, which are shown as they are written."""
    return {
        word
        for section in config.values()
        for name, value in section.items()
        for word in (name, *str(value).split())
        if word
    }


def test_the_form_of_a_run_is_russian(read: Read, settings: Settings, tmp_path: Path) -> None:
    settings.DATASETS_DIR = tmp_path
    address = "/admin/training/trainingrun/add/"
    said = " ".join(said_on(read(address, names=FORM)))
    assert "Набор данных" in said
    assert "Скорость обучения" in said
    assert "Первый проход модели, которая отвечает сразу после установки" in said

    form = StartForm.filled("", {})
    sent = {name: form[name].value() for name in form.fields} | {"dataset": "x"}
    posted = {name: value for name, value in sent.items() if value not in (None, False)}
    wrong = read(address, names=FORM, **posted | {"learning_rate": "7"})
    assert "learning_rate должен лежать между 0 и 1" in " ".join(said_on(wrong))


def test_the_switch_keeps_the_page_and_the_choice(client: Client) -> None:
    page = client.get("/compare?from=here")
    assert '<html lang="en"' in page.content.decode()

    switched = client.post("/i18n/setlang/", {"language": "ru", "next": "/compare?from=here"})

    assert switched.headers["Location"] == "/compare?from=here"
    assert '<html lang="ru"' in client.get("/compare").content.decode()
    client.post("/i18n/setlang/", {"language": "en"})
    assert '<html lang="en"' in client.get("/", HTTP_ACCEPT_LANGUAGE="ru").content.decode()


def test_the_switch_goes_back_to_a_page_that_can_be_asked_for(client: Client) -> None:
    one = make_prediction("A warm film.")
    address = f"/predictions/{one.pk}"

    refused = client.post(
        f"{address}/feedback", {"rating": 20}, HTTP_REFERER=f"http://testserver{address}"
    )

    assert refused.status_code == 400
    assert f'name="next" value="http://testserver{address}"' in refused.content.decode()


def test_nobody_is_sent_elsewhere_by_the_switch(client: Client) -> None:
    switched = client.post("/i18n/setlang/", {"language": "ru", "next": "https://evil.example/"})

    assert switched.headers["Location"] == "/"


def test_a_version_that_is_registered_says_what_it_is_in_russian(read: Read) -> None:
    version = ModelVersion.objects.create(name="other", revision="1", card="# other\n")

    read(f"/model/{version.pk}", names={"other@1", "other"})
