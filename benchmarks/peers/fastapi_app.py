"""FastAPI with the model loaded once a worker.

PEERS/bin/python -m uvicorn fastapi_app:app

The view is `async`, so that a worker reads one text at a time: forty of its threads at once in
torch on two cores would be slower by far.
"""

from fastapi import FastAPI
from pydantic import BaseModel
from reading import Answer, load_reader

app = FastAPI()
reader = load_reader()


class Review(BaseModel):
    text: str


@app.post("/predict")
async def predict(review: Review) -> Answer:
    return reader([review.text])[0]
