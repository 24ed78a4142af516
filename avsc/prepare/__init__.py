"""Stage 1: every clip of a data set once, into a store. Never imports torch.

In the order of reading:

- ``run``      checks the data set, creates the store or goes on with it, prepares what is missing,
               marks the end
- ``plan``     partitions, parts of a job array, bytes and time (pure); ``dry_run`` prints them
- ``lock``     one prepare on a store at a time, or the parts of one array
- ``clip``     a clip's files become arrays and JPEGs, or a reason why it is bad
- ``engine``   clips and the writing of partitions, as Dask tasks or in this process
- ``cluster``  starts worker processes of this machine or SLURM jobs, or connects to a scheduler;
               ``profile`` is the file that says which
- ``watch``    waits for tasks, and ends the work when none ends

What may happen, and what it costs. A partition (64 clips, some 40 s of one core) is in the store
whole or not at all, its bytes depend on its clips alone, and whoever prepares it again writes the
same. So a run may be stopped or killed at any moment, on any machine, and the same command goes on
with the partitions that are missing. A clip that cannot be used is quarantined with its reason; so
is one that twice hangs or takes its worker process down (three times on SLURM, where machines are
lost for other reasons too; at an address the scheduler's own limit holds).

What to expect of the real data set (12,291 clips, 108 GB) on 64 cores and a shared file system:
video is 96 % of the work, about 0.57 s a clip and core, so 64 cores decode everything in about two
minutes. To keep them busy the file system must deliver 108 GB in that time, 0.9 GB/s; one that
gives 200 MB/s makes it nine minutes on any number of cores. About 12 GB are written, in 193
partitions of 11 files, each file once and by one process. A prepared clip is 1 MB, and most of
them move once between workers, to the one that writes their partition.
"""

from avsc.callable_package import make_callable

make_callable(__name__, "avsc.prepare.run")
