"""Panels: what one can click on in a notebook.

    _panel.py       what they share: state, requests, the twin      _requests.py    messages of views, and their answers
    _pool.py        the threads that answer                         _answers.py     results as JSON and buffers
    _still.py       the twin where the view can't be

    attention.py            the attention panel                     _attention_answers.py  what its views can ask
    _attention_state.py     what it shows                           _questions.py   what those answers have in common
    _parameters.py          what views may send                     _pictures.py    weights as pixels, heads worth a look
    _empty.py               it without a token                      _twin.py        it without a script
    _page.py                it as one file that works offline       _looks.py       what such a file has in any case

    fine_tuning.py          the fine-tuning panel                   _fine_tuning_answers.py  what its views can ask
    _fine_tuning_state.py   what it shows                           _fine_tuning_form.py     what is filled in before a job is there
    _fine_tuning_data.py    data, sent to be looked at or trained   _fine_tuning_twin.py     it without a script
    _job_watch.py           a job, followed for all views           _job_reading.py          where that is read
    _explorers.py           attention panels opened below it

Each panel has a twin of the same name in `labextension/src/widgets/`, from which `static/` is built.
"""
