// Prints the tasks per second of piscina, whose workers are threads.
// Arguments: directory it is installed in, workers, microseconds per task, tasks.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';

export default function compute(micros) {
  const end = performance.now() + micros / 1e3;
  while (performance.now() < end);
}

if (isMainThread) {
  const [dir, workers, micros, tasks] = process.argv.slice(2);
  const { Piscina } = createRequire(dir + '/')('piscina');
  const pool = new Piscina({
    filename: fileURLToPath(import.meta.url),
    minThreads: +workers,
    maxThreads: +workers,
    concurrentTasksPerWorker: +micros === 0 ? 64 : 1,
  });
  const all = (count, micros) => Promise.all(Array.from({ length: count }, () => pool.run(micros)));
  await all(4 * workers, 0);
  const start = performance.now();
  await all(+tasks, +micros);
  console.log(tasks / ((performance.now() - start) / 1e3));
  await pool.destroy();
}
