from pathlib import Path

import psycopg

from tests.services.client import get, predict, submit
from tests.site import Site


def test_the_site_keeps_its_rows_in_postgresql_and_refuses_what_that_cannot_hold(
    postgresql_url: str, exported_model_dir: Path, tmp_path: Path
) -> None:
    with Site.started(
        tmp_path,
        CLASSIFIER_MODEL=str(exported_model_dir),
        DATABASE_URL=postgresql_url,
        SECRET_KEY="a secret that guards nothing, for a database that goes away",
        ALLOWED_HOSTS="127.0.0.1",
    ) as site:
        texts = ["a superb film", "a dull bore", "emoji 🎬, accents é, and a right-to-left שלום"]
        answer = predict(site, {"texts": texts})
        assert answer.status == 200
        assert submit(site, "lovely evening").status == 200

        for text in ("with NUL \0 in it", "half a pair \ud83c"):
            answer = predict(site, {"texts": ["good", text]})
            assert (answer.status, answer.json()["error"]["field"]) == (400, "texts[1]")
        assert submit(site, "with NUL \0 in it").status == 400
        assert get(site, "/predictions/00000000-0000-0000-0000-000000000000").status == 404

        with psycopg.connect(postgresql_url) as connection:
            rows = connection.execute(
                "SELECT text FROM classifier_prediction ORDER BY created_at, text"
            ).fetchall()
        assert sorted(text for (text,) in rows) == sorted([*texts, "lovely evening"])
        assert not (tmp_path / "db.sqlite3").exists()
    assert "Traceback" not in site.log.read_text()
