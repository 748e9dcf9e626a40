"""Django in one file: a page with a form, a JSON view, the model loaded once a worker.

PEERS/bin/gunicorn django_app:application

It stores nothing and checks nothing: what a Django site costs at the least.
"""

import json

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils.html import escape
from reading import load_reader

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="guards nothing",
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    DATA_UPLOAD_MAX_MEMORY_SIZE=None,
)
django.setup()
reader = load_reader()


def page(request: HttpRequest) -> HttpResponse:
    text = request.POST.get("text", "")
    said = escape(reader([text])[0]["label"]) if text else ""
    return HttpResponse(
        f"<form method=post><textarea name=text></textarea><button>Rate</button></form>{said}"
    )


def predict(request: HttpRequest) -> HttpResponse:
    return JsonResponse(reader([json.loads(request.body)["text"]])[0])


urlpatterns = [path("", page), path("predict", predict)]
application = WSGIHandler()
