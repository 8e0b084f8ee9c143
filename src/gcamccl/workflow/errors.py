"""The one exception for input that a user can put right."""


class InputError(Exception):
    """A file or setting the user gave is wrong.

    The message is one line: which file, which line or field, what is wrong, what to do. Programs print it after
    ``ERROR:`` and exit with status 2; anything else that escapes is a bug and keeps its traceback.
    """

    def __init__(self, where, what, todo=None):
        self.where, self.what, self.todo = str(where), what, todo
        super().__init__(f"{where}: {what}" + (f"; {todo}" if todo else ""))
