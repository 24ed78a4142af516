"""Stage 1: every clip of a data set once, into a store. Never imports torch.

In the order in which data flows:

- ``run``        check the data set, create the store or go on with it, prepare what is missing,
                 mark the end
- ``plan``       partitions, shares of a job array, bytes and time (pure); ``forecast`` prints them
- ``lock``       one prepare on a store at a time (or the parts of one array)
- ``executors``  where partitions are prepared: in this process, in watched worker processes
                 (``supervise``, whose other end is ``worker``), or on a Dask cluster (``cluster``)
- ``ledger``     which clip takes its worker down
- ``partition``  one partition: each clip read, computed and written
- ``info``, ``picture``  what a store holds, in words and as a drawing of a clip

What may happen, and what it costs. A partition (64 clips, some 40 s of one core) is the unit: it
is in the store whole or not at all, its bytes depend on its clips alone, and whoever prepares it
again writes the same. So a run may be stopped or killed at any moment, on any machine, and the same
command goes on with the partitions that are missing. A clip that cannot be used is quarantined with
its reason; so is one that twice hangs or takes its worker process down.

What to expect of the real data set (12,291 clips, 108 GB) on 64 cores and a shared file system:
video is 96 % of the work, about 0.57 s a clip and core, so 64 cores decode everything in about two
minutes. To keep them busy the file system must deliver 108 GB in that time, 0.9 GB/s; one that
gives 200 MB/s makes it nine minutes on any number of cores, so reading is the bound and more cores
than keep up with it do nothing. About 12 GB are written, in 193 partitions of 11 files, each file
once and by one process, so that writers never wait for one another.
"""
