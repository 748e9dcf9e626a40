"""Files of many reviews: tables read and written as streams, rated chunk by chunk.

Knows neither Django nor torch: what rates the texts is a function that the caller brings.
"""
