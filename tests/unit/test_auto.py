"""How many workers of how many threads are chosen, for machines that are made up."""

import pytest

from transfergain.executors import auto

GB = 2**30


def linear(threads):
    return float(threads)


@pytest.mark.parametrize(
    ("cores", "free", "each", "threads", "expected"),
    [
        (2, 16 * GB, GB, None, (2, 1)),
        (64, 500 * GB, GB, None, (64, 1)),
        (64, 10 * GB, GB, None, (8, 8)),  # memory holds eight: the other cores become threads
        (8, GB // 2, GB, None, (1, 8)),  # too little for one: it is tried all the same
        (8, 100 * GB, GB, 4, (2, 4)),
        (8, GB, GB, 4, (1, 4)),
        (2, 100 * GB, GB, 8, (1, 8)),
        (1, 100 * GB, GB, None, (1, 1)),
    ],
)
def test_one_thread_a_worker_as_long_as_memory_holds_them(cores, free, each, threads, expected):
    assert auto.choose(cores, free, each, threads, linear) == expected


def test_threads_that_do_not_pay_are_not_used():
    assert auto.choose(8, GB, GB, None, lambda threads: 1.0 + 0.01 * threads) == (1, 1)


def test_no_calibration_where_nothing_is_left_to_choose():
    assert auto.choose(4, 100 * GB, GB, None, lambda threads: pytest.fail("measured")) == (4, 1)


@pytest.mark.parametrize(
    ("free", "each", "cores", "expected"),
    [(80 * GB, 2 * GB, 16, auto.MOST_PER_GPU), (5 * GB, 2 * GB, 16, 2), (GB, 2 * GB, 16, 1), (80 * GB, 2 * GB, 2, 2)],
)
def test_workers_share_a_gpu_as_far_as_its_memory_and_the_cores_go(free, each, cores, expected):
    assert auto.per_gpu(free, each, cores) == expected


def test_the_limit_of_a_container_counts(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 99 kB\nMemAvailable: 8192 kB\n")
    assert auto.free_memory(tmp_path) == 8192 * 1024
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("5000\n")
    (tmp_path / "sys/fs/cgroup/memory.current").write_text("2000\n")
    assert auto.free_memory(tmp_path) == 3000
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("max\n")
    assert auto.free_memory(tmp_path) == 8192 * 1024
    assert auto.free_memory(tmp_path / "nowhere") > 0


def test_more_weights_need_more_memory_and_a_matrix_product_is_measured():
    assert auto.need(GB) - auto.need(0) == auto.COPIES_OF_WEIGHTS * GB
    assert auto.need(0, gpu=True) > 0
    assert auto.need(0) == auto.PROCESS_BYTES + auto.KERNEL_BYTES
    assert auto.matmul_speed(1) > 0


@pytest.mark.parametrize(
    ("asked", "device", "gpu", "free", "expected"),
    [
        (3, "auto", False, 100, 3),
        (9, "auto", False, 100, 4),
        (0, "auto", False, 100, 4),
        (0, "auto", False, 2, 2),
        (0, "cpu", True, 100, 4),
        (0, "auto", True, 100, 1),
        (0, "cuda:0", True, 100, 1),
        (0, "cpu", False, 0, 1),
    ],
)
def test_workers_are_guessed_before_the_checkpoint_is_known(monkeypatch, asked, device, gpu, free, expected):
    monkeypatch.setattr(auto, "cores", lambda: 4)
    monkeypatch.setattr(auto, "free_memory", lambda: free * GB)
    monkeypatch.setattr(auto, "_has_gpu", lambda: gpu)
    assert auto.likely_workers(asked, device) == expected
