"""Scripts with the nonce without which the site's policy lets none run."""

from django import template
from django.forms import Media
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag(takes_context=True)
def scripts_of(context: template.Context, media: Media) -> SafeString:
    """The scripts of a form's media; Django's own `media.js` knows no nonce."""
    nonce = context.get("csp_nonce", "")
    return format_html_join(
        "\n",
        '<script src="{}" nonce="{}"></script>',
        ((media.absolute_path(path), nonce) for path in media._js),  # type: ignore[attr-defined]
    ) or format_html("")
