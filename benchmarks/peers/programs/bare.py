"""The bare loop: requests and parsel in threads, without a queue. Two processes share the URLs.

Arguments: number of threads, index of this process.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

from benchmarks.peers.programs.page import batches, scrape


def main(threads: int, index: int) -> None:
    """Scrape every second URL of each batch."""
    if threads == 1:
        for urls in batches():
            for url in urls[index::2]:
                scrape(url)
        return
    with ThreadPoolExecutor(threads) as pool:
        for urls in batches():
            list(pool.map(scrape, urls[index::2]))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
