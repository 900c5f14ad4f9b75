import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.queues import SimpleQueue
from uuid import RFC_4122, UUID

from contracts.random_ids import RandomBytes, random_uuid_text


def test_portions_have_their_size_and_none_is_given_twice_in_threads() -> None:
    source = RandomBytes(8)
    with ThreadPoolExecutor(8) as pool:
        taken = [one for many in pool.map(lambda _: [source.take() for _ in range(2_000)], range(8)) for one in many]
    assert len(set(taken)) == len(taken) == 16_000
    assert {len(one) for one in taken} == {8}


def test_uuids_are_of_version_4() -> None:
    made = [random_uuid_text() for _ in range(1_000)]
    assert {(UUID(one).version, UUID(one).variant) for one in made} == {(4, RFC_4122)}
    assert all(str(UUID(one)) == one for one in made)
    assert len(set(made)) == 1_000


def test_a_forked_child_shares_none_with_its_parent() -> None:
    source = RandomBytes(8)
    source.take()  # a block is there when the process forks
    context = multiprocessing.get_context("fork")
    answer: SimpleQueue[list[bytes]] = context.SimpleQueue()
    child = context.Process(target=lambda: answer.put([source.take() for _ in range(100)]))
    child.start()
    of_child = answer.get()
    child.join()
    assert not set(of_child) & {source.take() for _ in range(100)}
