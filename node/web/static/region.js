// Keeps the page about the region up to date. Without this script the page is reloaded by hand.
const live = document.querySelector('[data-rw-stream]')
const region = document.getElementById('region')
const clock = () => new Date().toLocaleTimeString('en-GB')

if (live && region && 'EventSource' in window) {
  const source = new EventSource(live.dataset.rwStream)
  const says = (text) => { if (live.textContent !== text) live.textContent = text }
  let seen = clock()
  const old = (text) => { // what is shown is no longer how it is
    region.classList.add('rw-old')
    live.classList.add('rw-bad')
    says(`${text} What is shown is from ${seen}.`)
  }
  live.removeAttribute('role') // it changes every second; what matters is in the page
  source.addEventListener('region', (e) => {
    region.innerHTML = e.data
    region.classList.remove('rw-old')
    live.classList.remove('rw-bad')
    seen = clock()
    says(`Live. Changed at ${seen}`)
  })
  source.addEventListener('silent', () => old("This trust's node does not say how it is."))
  source.addEventListener('gone', (e) => {
    source.close()
    location.assign(e.data)
  })
  source.addEventListener('error', () => {
    old(source.readyState === EventSource.CLOSED
      ? 'This page is not kept up to date: reload it, and sign on again if you are asked to.'
      : "No connection to this trust's node: trying again.")
  })
  addEventListener('pagehide', () => source.close())
}
