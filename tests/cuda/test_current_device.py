"""A caller's current device is the caller's: gesso works on the model's device, and leaves the thread as it was."""

import gc
import threading

import pytest

import gesso
from cuda.models import GOLDEN
from gesso.cli import program as cli

OPTIONS = {"max_new_tokens": 1, "max_denoising_steps": 5, "confidence_threshold": 0.0}
MODEL = GOLDEN / "mixed.gguf"


@pytest.fixture
def three(emulator):
    """Three GPUs. The caller uses the first one."""
    emulator.set_num_devices(3)
    emulator.set_current_device(0)
    return emulator


@pytest.mark.parametrize("own", [0, 2])
def test_calls_leave_it_alone(three, load, own):
    three.set_current_device(own)
    seen = []

    def see(*_):
        seen.append(three.current_device())

    def look(result):
        see()
        return result

    look(gesso.devices())
    model = look(load(MODEL, device="cuda:1", on_progress=see))
    session = look(model.session(2))
    look(session.encode([[5, 6], [7]]))
    look(session.generate([[8], [9]], on_step=see, on_canvas=see, **OPTIONS))
    look(session.fork())
    look(gesso.Session.load(model, look(session.save())))
    with pytest.raises(gesso.ArgumentError):
        session.encode([[5], [-1]])
    del session
    see()
    with gesso.Engine(model, thread=False) as engine:
        request = look(engine.submit([5, 6, 7], **OPTIONS))
        while look(engine.run_once()):
            pass
        look(request.result())
    see()
    assert len(seen) > 20 and set(seen) == {own}


def test_nothing_is_made_on_other_devices(three, load):
    """A context takes hundreds of megabytes of a GPU, which may be in use by somebody else. This is so in a thread that
    has used no device before, too."""
    model = load(MODEL, device="cuda:2")
    results = []
    three.forget_started_devices()
    with gesso.Engine(model) as engine:  # has a thread of its own
        results.append(engine.submit([5, 6, 7], **OPTIONS).result().ids)

    def generate(model):
        results.append(model.generate([5, 6, 7], **OPTIONS).sequences[0])

    thread = threading.Thread(target=generate, args=[model])
    thread.start()
    thread.join()
    del model, engine, thread
    gc.collect()
    assert three.started_devices() == [2]
    assert results[0] == results[1]


def test_a_callback_may_choose_another_device(three, load):
    model = load(MODEL, device="cuda:1")
    expected = model.generate([5, 6, 7], **OPTIONS).sequences
    chosen = []

    def choose(event):
        chosen.append(three.current_device())
        three.set_current_device(2 * (event.step % 2))

    assert model.generate([5, 6, 7], on_step=choose, **OPTIONS).sequences == expected
    assert chosen == [0, 0, 2, 0, 2]  # what the callback before has chosen


def test_an_error_leaves_it_alone(three, load):
    model = load(MODEL, device="cuda:1")
    three.set_total_bytes(three.allocated_bytes(1) + 5000)
    with pytest.raises(MemoryError):
        model.session(4)
    assert three.current_device() == 0


def test_commands(three, capsys):
    assert cli.main(["devices"]) == 0
    assert "cuda:2" in capsys.readouterr().out
    assert three.current_device() == 0
