"""A job on disk: what the process that trains, the model kernel and the notebook side read and write of it.

    directory     where everything of a job is, and its job.json      lock          whose job it is now
    journal       its events: appended, read, followed                commands      what it is told
    history       events in which no step counts twice                checkpoints   saved whole or not at all
    job_progress  how far a job is: JobInfo                           manifest      what is in one of them
    publishing    under which name others find the result             disk          the operations that have to last
    lines         files of lines, torn ones too                       reserve       room for the last word on a full disk
    data_digests  whether its data are its own

Imports the standard library only. Nothing here trusts a process to end in order: any of these files may be cut off at
any byte, and whoever comes next goes on from what is whole.
"""
