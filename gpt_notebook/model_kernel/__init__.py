"""The model kernel: the process that holds the weights, and everything that runs in it.

    __main__     the process: lock, log, idling      server            the socket, and uvicorn on it
    app          routes for our own clients          openai_routes     the same weights in OpenAI's words
    guard        who may ask, and how much           event_stream      server-sent events
    engine       requests in, events out             admission         which requests there are
    scheduler    whose step comes next on a device   sequence          what a model has read of one text
    generation   the token loop of one request       sampling          from logits to a token
    scoring      log-likelihood of given texts       text              from tokens to text
    prompts      from requests to token ids          chat              from messages to a prompt
    models       the loaded models, their budget     weights           finding and judging a model
    hub          models of the Hugging Face hub      model_files       reading files before they are believed
    loading      from files to a model that runs     template_process  where chat templates run
    interface    what routes ask of an engine

Routes know HTTP, the engine knows requests, the loop knows tensors.
"""
