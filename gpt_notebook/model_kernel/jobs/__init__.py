"""Fine-tuning jobs as the model kernel sees them: processes of their own, which it starts, watches and finds again.

    jobs          what is asked of them, and who answers      job_routes   the way there over HTTP
    starting      from a request to a job's directory         differences  what is not as it was begun with
    base_model    finding what a job begins from              base         what that is
    watching      who runs, who is next, who has died         processes    a job's process: started, and ended
    room          memory for a job whose turn it is           telling      what jobs are told
    register      what is known of all jobs                   events       following a journal
    recording     what is written of a job without a process  forgetting   deleting one
    data_store    data that were sent, by their digest        preview      what a model would see of them
    evaluation    a model measured on data

The truth of a job is in its directory (`gpt_notebook.job_files`): nothing that this process knows of it is needed to go on.
"""
