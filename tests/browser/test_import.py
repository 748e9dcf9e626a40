from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, log_in
from tests.browser.test_review import BAD, GOOD, rate

IMPORT = "/admin/classifier/prediction/import/"


def test_a_labelled_file_is_looked_at_and_imported_without_javascript(
    open_page: OpenPage, page: Page, reviewer: str
) -> None:
    rate(page, f"{GOOD} , said in a file")
    admin = open_page("/admin/classifier/prediction/", java_script_enabled=False)
    log_in(admin, reviewer)
    admin.locator("#main").get_by_role("link", name="Import verdicts").click()
    content = (
        "review,stars,note\n"
        f'"{GOOD} , said in a file",3,"Too long, too loud"\n'
        f'"{BAD} , never asked",1,\n'
        f'"{GOOD} , said in a file",eleven,\n'
    )
    admin.get_by_label("File of verdicts").set_input_files(
        {"name": "labelled.csv", "mimeType": "text/csv", "buffer": content.encode()}
    )
    admin.get_by_role("button", name="Look at the file").click()
    expect(admin.get_by_role("alert")).to_contain_text("The table must have the column")

    admin.get_by_label("Ratings").select_option("stars")
    admin.get_by_role("button", name="Look again").click()

    expect(admin.get_by_role("alert")).to_have_count(0)
    expect(admin.locator("#content-main")).to_contain_text("2 verdicts will be given.")
    expect(admin.get_by_role("table", name="Rows that will be left out")).to_contain_text("eleven")
    verdicts = admin.get_by_role("table", name="Verdicts: the first 2")
    expect(verdicts.get_by_role("row")).to_have_count(3)
    admin.get_by_role("button", name="Import 2 verdicts").click()

    expect(admin.locator(".messagelist")).to_contain_text("2 verdicts given or changed")
    expect(admin.locator(".messagelist")).to_contain_text("1 rows are bad; 1 texts were rated")
    admin.goto("/admin/classifier/prediction/?review=corrected&q=said+in+a+file")
    expect(admin.locator("#result_list")).to_contain_text("NEGATIVE 3/10")
