// Says while an NHS number is typed whether it can be one. The portal checks it again.
const field = document.getElementById('number')
const says = document.getElementById('number-check')

function judge (text) {
  const digits = text.replace(/[\s\u00a0\u2007\u202f-]/g, '')
  if (digits === '') return ''
  if (!/^[0-9]*$/.test(digits)) return 'An NHS number has digits only'
  if (digits.length < 10) return `${10 - digits.length} more ${digits.length === 9 ? 'digit' : 'digits'}`
  if (digits.length > 10) return `${digits.length} digits: an NHS number has 10`
  let sum = 0
  for (let i = 0; i < 9; i++) sum += Number(digits[i]) * (10 - i)
  const check = (11 - sum % 11) % 11
  return check === Number(digits[9]) ? 'This can be an NHS number' : 'A digit is wrong, or two are swapped'
}

if (field && says) {
  let later
  field.addEventListener('input', () => {
    clearTimeout(later)
    later = setTimeout(() => { says.textContent = judge(field.value) }, 250)
  })
}
