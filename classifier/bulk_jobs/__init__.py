"""Files of reviews that workers rate together: the rows of the database that they share.

One worker holds a job and coordinates it: splits the upload into chunks, rates chunks as all
others do, and joins what was said into the result. Whoever dies in between is replaced, and of
what was rated nothing is lost.
"""
