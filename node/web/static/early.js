// What a PDF needs first is asked for while the other scripts are still on their way: the worker that reads it, its beginning, and its
// end, where nearly all say what lies where. Otherwise each would wait for the one before.
export const chunk = 262144

const begun = new Map() // address of a file to what was asked for

for (const { rwFile, rwSize, rwWorker } of [...document.querySelectorAll('[data-rw-file]')].map((root) => root.dataset)) {
  const size = Number(rwSize)
  const ranges = new Map()
  if (size > 0) for (const begin of [0, Math.floor((size - 1) / chunk) * chunk]) ranges.set(begin, ranges.get(begin) || askRange(rwFile, begin, Math.min(size, begin + chunk)))
  for (const come of ranges.values()) come.catch(() => {}) // who takes it hears of it
  begun.set(rwFile, { worker: new Worker(rwWorker, { type: 'module' }), ranges })
}

// askRange fetches a range of a file: the answer and its bytes.
export async function askRange (url, begin, end, signal) {
  const answer = await fetch(url, { headers: { Range: `bytes=${begin}-${end - 1}` }, cache: 'no-store', signal })
  return { answer, bytes: new Uint8Array(await answer.arrayBuffer()), end }
}

// takeRange is a range that was asked for at once; undefined for another, and for one that was taken.
export function takeRange (url, begin) {
  const come = begun.get(url)?.ranges.get(begin)
  begun.get(url)?.ranges.delete(begin)
  return come
}

// takeWorker is the worker that was started at once, for who opens the file first.
export function takeWorker (url) {
  const worker = begun.get(url)?.worker
  if (worker) begun.get(url).worker = null
  return worker
}
