// Two fingers on the pages make them larger and smaller about the point between them; one finger that goes across turns the page where
// a page is no wider than what is seen of it. Moving a page about is left to the browser, which scrolls.
const far = 60 // pixels across that turn a page
const level = 40 // and how much up or down at most

export function touch (stage, { zoom, turn }) {
  let swipe = null
  let pinch = null
  const wide = () => stage.scrollWidth > stage.clientWidth + 2
  const spread = ([a, b]) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY)
  const begin = (e) => {
    const box = stage.getBoundingClientRect()
    const [a, b] = e.touches
    swipe = e.touches.length === 1 ? { x: a.clientX, y: a.clientY } : null
    pinch = e.touches.length === 2 ? { spread: spread(e.touches), x: (a.clientX + b.clientX) / 2 - box.left, y: (a.clientY + b.clientY) / 2 - box.top } : null
  }
  stage.addEventListener('touchstart', begin, { passive: true })
  stage.addEventListener('touchmove', (e) => {
    const [a] = e.touches
    if (swipe && !wide() && Math.abs(a.clientX - swipe.x) > Math.abs(a.clientY - swipe.y) && e.cancelable) e.preventDefault() // or browsers go back
    if (!pinch || e.touches.length !== 2) return
    e.preventDefault() // or the browser would enlarge the whole page
    const now = spread(e.touches)
    if (pinch.spread < 10 || Math.abs(now / pinch.spread - 1) < 0.05) return
    zoom(now / pinch.spread, pinch.x, pinch.y)
    pinch.spread = now
  }, { passive: false })
  stage.addEventListener('touchend', (e) => {
    const to = e.changedTouches[0]
    if (swipe && to && !wide()) {
      const across = to.clientX - swipe.x
      if (Math.abs(across) > far && Math.abs(to.clientY - swipe.y) < level) turn(across < 0 ? 1 : -1)
    }
    begin(e) // the fingers that stay turn nothing until they are lifted and put down again
    swipe = null
  }, { passive: true })
  stage.addEventListener('touchcancel', () => { swipe = pinch = null }, { passive: true })
}
