// Keeps the page about the region up to date. Without this script the page is reloaded by hand.
const live = document.querySelector('[data-rw-stream]')
const region = document.getElementById('region')
const clock = () => new Date().toLocaleTimeString('en-GB')

if (live && region && 'EventSource' in window) {
  const source = new EventSource(live.dataset.rwStream)
  const says = (text) => { if (live.textContent !== text) live.textContent = text }
  live.removeAttribute('role') // it changes every second; what matters is in the page
  source.addEventListener('region', (e) => {
    region.innerHTML = e.data
    says(`Live. Changed at ${clock()}`)
  })
  source.addEventListener('silent', () => says(`This trust's node does not say how it is, since ${clock()}`))
  source.addEventListener('gone', (e) => {
    source.close()
    location.assign(e.data)
  })
  source.addEventListener('error', () => {
    says(source.readyState === EventSource.CLOSED
      ? 'Not kept up to date: reload the page to see it as it is now'
      : `No connection to this trust's node since ${clock()}: trying again`)
  })
  addEventListener('pagehide', () => source.close())
}
