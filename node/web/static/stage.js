// What the viewers of pictures and of PDF have in common: size, rotation and the keys.
const fitPage = -1
const fitWidth = -2
const comfortable = -3 // as wide as the stage, and no wider than paper is read
const widest = 1100

export class Stage {
  constructor (root) {
    this.root = root
    this.pane = root.dataset.rwPane || ''
    this.stage = this.el('stage')
    this.status = this.el('status')
    this.zoom = comfortable // or fitWidth, fitPage, or a factor
    this.turn = 0
    root.querySelector('.rw-tools').hidden = false
    this.on('zoom-in', () => this.scale(1.25))
    this.on('zoom-out', () => this.scale(0.8))
    this.on('fit-width', () => this.fit(fitWidth))
    this.on('fit-page', () => this.fit(fitPage))
    this.on('rotate', () => { this.turn = (this.turn + 90) % 360; this.layout() })
    let later
    addEventListener('resize', () => { clearTimeout(later); later = setTimeout(() => this.layout(), 100) })
  }

  // el finds a part of this viewer: two of them can stand side by side.
  el (name) { return document.getElementById(name + this.pane) }

  on (id, act) {
    const control = this.el(id)
    if (control) control.addEventListener('click', (e) => { e.preventDefault(); act() })
  }

  // keys turns pages with the arrow keys at the ends of the stage, and with Page Up and Page Down anywhere in it.
  keys (turnPage) {
    this.stage.addEventListener('keydown', (e) => {
      if (e.ctrlKey || e.altKey || e.metaKey) return
      const at = { PageDown: 1, PageUp: -1, ArrowRight: 1, ArrowLeft: -1 }[e.key]
      if (at) {
        e.preventDefault()
        turnPage(at)
      } else if (e.key === '+') this.scale(1.25)
      else if (e.key === '-') this.scale(0.8)
    })
  }

  // say tells the reader something. After what went wrong, the page itself says why when it is loaded again.
  say (text, wrong) {
    this.status.textContent = text
    this.status.classList.toggle('rw-wrong', Boolean(wrong))
    if (wrong === 'explain') {
      const link = document.createElement('a')
      link.href = location.href
      link.textContent = 'What you can do'
      this.status.append(' ', link)
    }
  }

  fit (how) { this.zoom = how; this.layout() }

  // pinch makes pages larger or smaller; what lies at a point of the stage stays there.
  pinch (by, x, y) {
    const was = this.factor()
    const left = this.stage.scrollLeft + x
    const top = this.stage.scrollTop + y
    this.scale(by)
    const grown = this.factor() / was
    this.stage.scrollLeft = left * grown - x
    this.stage.scrollTop = top * grown - y
  }

  scale (by) { this.zoom = Math.min(6, Math.max(0.1, this.factor() * by)); this.layout() }

  // factor is how many screen pixels a pixel of the page has.
  factor ({ width, height } = this.size()) {
    const [w, h] = this.turn % 180 ? [height, width] : [width, height]
    const room = this.stage.clientWidth - 4
    if (this.zoom > 0) return this.zoom
    if (this.zoom === fitPage) return Math.min(room / w, (this.stage.clientHeight - 4) / h)
    return (this.zoom === fitWidth ? room : Math.min(room, widest)) / w
  }
}
