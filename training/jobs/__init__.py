"""A training run as a job: a worker starts a fresh process for each attempt and watches it.

`supervision` is the worker's side, `attempt` that of the process. What they know of each other goes
through the run's row: the process writes how it ended, and the worker writes it only where the
process could not.
"""

REQUEST_ID = "REQUEST_ID"  # in the environment of a process
DATABASE_AWAY = 75  # exit status of a process that could not say how it ended; EX_TEMPFAIL
