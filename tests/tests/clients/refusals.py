"""What a daemon must refuse."""

from docker.errors import APIError


def refused(status, words, work):
    try:
        work()
    except APIError as error:
        assert error.status_code == status, (error.status_code, str(error))
        assert words in str(error), str(error)
    else:
        raise AssertionError(f"not refused: {words}")
