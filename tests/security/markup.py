"""Pages as a browser's parser reads them, and what in them could run."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

import html5lib

HTML = "{http://www.w3.org/1999/xhtml}"
ADDRESSES = ("href", "src", "action", "formaction", "data", "xlink:href", "poster", "background")
# What htmx would do of its own accord, as a handler would.
COMMANDS = ("hx-on", "hx-vals", "hx-vars", "hx-headers", "data-hx-on")
RUNS = ("javascript:", "vbscript:", "data:")


def parsed(page: bytes | str) -> Element:
    """The document, as HTML's own algorithm builds it of anything."""
    content = page.decode() if isinstance(page, bytes) else page
    document: Element = html5lib.parse(content, treebuilder="etree", namespaceHTMLElements=True)
    return document


def elements(document: Element, name: str) -> Iterator[Element]:
    """Those of one name, in HTML or within an SVG."""
    return (found for found in document.iter() if local(found) == name)


def local(element: Element) -> str:
    return str(element.tag).rsplit("}", 1)[-1]


def handlers(document: Element) -> list[str]:
    """Attributes that run as scripts: inline handlers, htmx's, and addresses that are scripts."""
    found = []
    for element in document.iter():
        for name, value in element.attrib.items():
            attribute = str(name).rsplit("}", 1)[-1].lower()
            run = attribute.startswith(("on", *COMMANDS[:1], *COMMANDS[-1:]))
            target = attribute in ADDRESSES and _bare(value).startswith(RUNS)
            evaluated = attribute in COMMANDS and _bare(value).startswith(("js:", "javascript:"))
            if run or target or evaluated or attribute == "srcdoc":
                found.append(f"<{local(element)} {attribute}={value[:80]!r}>")
    return found


def _bare(address: str) -> str:
    """As browsers read the beginning of an address: without blanks and controls."""
    return "".join(char for char in address if char > " ").lower()
