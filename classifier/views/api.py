"""The API as a page; made on the server, so that it needs no script."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from classifier.api.reference import reference


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    site = request.build_absolute_uri("/").rstrip("/")
    known = reference()
    groups = [
        (name, [(operation, operation.curl(site)) for operation in operations])
        for name, operations in known.groups
    ]
    return render(request, "classifier/api.html", {"groups": groups, "shapes": known.shapes})
