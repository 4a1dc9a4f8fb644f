"""The model kernel: the process that holds the weights, and everything that runs in it.

    __main__          the process: lock, log, idling        server            the socket, and uvicorn on it
    app               routes for our own clients            openai_routes     the same weights in OpenAI's words
    attention_routes  routes for the inside of a model      openai_bodies     OpenAI's request bodies
    guard             who may ask, and how much             bodies            reading what was asked
    event_stream      answers as server-sent events         array_stream      answers as the bytes of an array
    interface         what routes ask of an engine          engine            requests in, events out
    runner            the way of a request to its work      admission         which requests there are
    scheduler         whose step comes next on a device     sequence          what a model has read of one text
    generation        what a request wants generated        sampling          from logits to a token
    batching/         who reads what in the next step; it has a map
    scoring           log-likelihood of given texts         text              from tokens to text
    rows              many prompts as one request
    tuning            what fine-tuning needs of models      jobs/             its jobs; it has a map
    inspection        who may ask about the inside          attention/        what answers them; it has a map
    prompts           from requests to token ids            chat              from messages to a prompt
    models            the loaded models, their budget       loaded_model      one of them
    in_use            what must not leave meanwhile         served            a model with its adapter
    weights           finding and judging a model           model_files       reading files before they are believed
    hub               models of the Hugging Face hub        fetching          what is not on this machine
    model_config      what a config says of its model       load_errors       what goes wrong there, in one line
    loading           from files to a model that runs       adapters/         LoRA on a model; it has a map
    linear            packed weights, an adapter a row      packed            weights in oneDNN's order
    threads           which operations are worth several        native/     the small ones of a step, in C; a map

Routes know HTTP, the engine knows requests, the scheduler's thread knows tensors.
"""
