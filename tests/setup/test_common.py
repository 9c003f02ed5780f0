"""Where commands may run, and how they start other programs."""

from minigpt.setup import common


def test_windows_waits_for_a_child_through_ctrl_c(monkeypatch):
    class Child:
        answers = iter([KeyboardInterrupt, KeyboardInterrupt, 7])

        def __init__(self, arguments):
            assert arguments[0] == "python"

        def wait(self):
            answer = next(self.answers)
            if answer is KeyboardInterrupt:
                raise answer
            return answer

    monkeypatch.setattr(common.subprocess, "Popen", Child)
    monkeypatch.setattr(common.os, "name", "nt")
    assert common.become(["python", "-m", "minigpt"]) == 7
